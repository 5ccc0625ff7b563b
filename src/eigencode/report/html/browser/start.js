// Everything is there: make the toolbar, and open what an address points to.
state.toolbar();
document.documentElement.classList.add("ready");
