"""The style rules of the code base, each a function from source text to a list of violations."""

import ast
from collections.abc import Iterator
from functools import cache

LEVELS = {
    "base": 0,
    **dict.fromkeys(("representation", "formats"), 1),
    **dict.fromkeys(("data", "rules", "spectra", "geometry", "robustness"), 2),
    **dict.fromkeys(("models", "penalties"), 3),
    "training": 4,
    "measures": 5,
    "study": 6,
    "paper": 7,
    "report": 8,
    "given": 9,
    "cli_store": 9,
    "cli": 10,
    "__main__": 11,
}
COMPARISONS = {"allclose", "array_equal", "array_equiv", "isclose", "equal", "close"}
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib", "yaml"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.save"}
DRAWS = {"rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "poisson", "rand_like"} | {
    "randn_like",
    "randint_like",
    *("normal_", "uniform_", "bernoulli_", "random_", "exponential_", "cauchy_", "geometric_", "log_normal_"),
    *("kaiming_normal_", "kaiming_uniform_", "xavier_normal_", "xavier_uniform_", "trunc_normal_", "orthogonal_"),
}
SEEDERS = {"manual_seed", "manual_seed_all", "set_rng_state", "seed", "seed_all"}
OWN_GENERATORS = {"default_rng", "Generator", "SeedSequence", "PCG64", "Random", "RandomState", "BitGenerator"}


@cache
def parsed(source: str) -> ast.Module:
    """The syntax tree of a source, made once for all rules; they only read it."""
    return ast.parse(source)


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a name or attribute; "" for anything else at its root."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def calls(source: str) -> Iterator[tuple[ast.Call, str, str]]:
    """Every call with the dotted name that is called and its last part."""
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            yield node, name, name.rpartition(".")[2]


def imported(source: str) -> Iterator[tuple[int, str, str]]:
    """(line, module, name or "") of every import; a relative one has a module that starts with a dot."""
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node.lineno, module, alias.name) for alias in node.names)


def imports_upwards(source: str, module: str) -> list[str]:
    """Imports of a level that is not below, unless of the module's own folder."""
    mine = module.split(".")[1]
    wrong = []
    for line, name, inner in imported(source):
        if name.startswith("."):
            wrong.append(f"{line}: relative import of {name}{inner}")
        elif name == "eigencode" and inner != "__version__":
            wrong.append(f"{line}: imports the table of contents")
        elif name.startswith("eigencode."):
            folder = name.split(".")[1]
            if folder not in LEVELS:
                wrong.append(f"{line}: {folder} has no level")
            elif folder != mine and LEVELS[folder] >= LEVELS[mine]:
                wrong.append(f"{line}: level {LEVELS[mine]} imports {name} of level {LEVELS[folder]}")
    return wrong


def cycles(sources: dict[str, str]) -> list[str]:
    """Modules that import each other, directly or not, given their sources by name."""
    graph: dict[str, set[str]] = {}
    for module, source in sources.items():
        found = [f"{m}.{n}" if f"{m}.{n}" in sources else m for _, m, n in imported(source)]
        graph[module] = {m for m in found if m in sources}
    wrong: list[str] = []
    state: dict[str, int] = {}

    def visit(module: str, path: tuple[str, ...]) -> None:
        state[module] = 1
        for below in sorted(graph[module]):
            if state.get(below) == 1:
                wrong.append(" -> ".join([*path[path.index(below) :], below]))
            elif below not in state:
                visit(below, (*path, below))
        state[module] = 2

    for module in sorted(graph):
        if module not in state:
            visit(module, (module,))
    return wrong


def dropped_comparisons(source: str) -> list[str]:
    """Comparisons whose result is not used, and asserts that cannot fail."""
    wrong = []
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Expr):
            called = dotted(node.value.func).rpartition(".")[2] if isinstance(node.value, ast.Call) else ""
            if called in COMPARISONS or isinstance(node.value, ast.Compare | ast.BoolOp):
                wrong.append(f"{node.lineno}: the answer of {called or 'a comparison'} is dropped")
        elif isinstance(node, ast.Assert):
            test = node.test
            named = isinstance(test, ast.Constant) and bool(test.value)
            if named or isinstance(test, ast.Tuple | ast.GeneratorExp | ast.Lambda | ast.JoinedStr):
                wrong.append(f"{node.lineno}: this assert cannot fail")
    return wrong


def asserts_nothing(source: str) -> list[str]:
    """Test functions that check nothing: no assert, no expected error or warning, no helper that asserts."""
    functions = {n.name: n for n in ast.walk(parsed(source)) if isinstance(n, ast.FunctionDef)}
    fixtures = {"leaves_no_trace"}
    good: set[str] = set()

    def checks(function: ast.FunctionDef) -> bool:
        for node in ast.walk(function):
            name = dotted(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
            known = name in good | fixtures or name in ("raises", "warns", "fail") or name.startswith("assert_")
            if known or isinstance(node, ast.Assert):
                return True
        return False

    while new := {name for name, f in functions.items() if name not in good and checks(f)}:
        good |= new
    return [f"{f.lineno}: {name}" for name, f in functions.items() if name.startswith("test_") and name not in good]


def unsafe(source: str) -> list[str]:
    """Pickle in any form, execution of code from strings, and shell commands."""
    wrong = [f"{line}: imports {m}" for line, m, _ in imported(source) if m.split(".")[0] in UNSAFE_MODULES]
    for node, name, last in calls(source):
        words = {k.arg: k.value for k in node.keywords}
        true = {k for k, v in words.items() if isinstance(v, ast.Constant) and v.value is True}
        bad = (
            name
            in ("eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.save", "jsonpickle.decode")
            or (name == "torch.load" and "weights_only" not in true)
            or (last == "load" and "allow_pickle" in words)
            or "shell" in true
        )
        if bad:
            wrong.append(f"{node.lineno}: calls {name}")
    return wrong


def global_randomness(source: str) -> list[str]:
    """Calls that draw from a global random generator, or seed it."""
    wrong = [
        f"{line}: imports random.{n}" for line, m, n in imported(source) if m == "random" and n not in ("", "Random")
    ]
    for node, name, last in calls(source):
        given = {k.arg for k in node.keywords}
        whole = name.startswith(("np.random.", "numpy.random.", "random."))
        if (
            (whole and last not in OWN_GENERATORS)
            or (last in ("default_rng", "Random") and not node.args and not node.keywords)
            or (last in SEEDERS and name.startswith(("torch.manual", "torch.random.", "torch.cuda.", "torch.seed")))
            or (last in DRAWS and "generator" not in given and not (whole or _own(name)))
        ):
            wrong.append(f"{node.lineno}: {name}")
    return wrong


def _own(name: str) -> bool:
    """True for a draw from an object that is itself a generator."""
    return (name.count(".") > 0 and name.split(".")[-2] in ("rng", "generator", "draws")) or name.startswith(
        ("hypothesis.", "st.")
    )


def too_long(source: str, most: int = 400) -> list[str]:
    """Modules with more than `most` lines."""
    lines = len(source.splitlines())
    return [f"{lines} lines, at most {most}"] if lines > most else []


def no_docstring(source: str) -> list[str]:
    """Modules without a docstring."""
    return [] if ast.get_docstring(parsed(source)) else ["1: no docstring"]


def more_than_contents(source: str) -> list[str]:
    """Functions or classes defined in a file that should contain only imports."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return [f"{n.lineno}: defines {n.name}" for n in parsed(source).body if isinstance(n, kinds)]


def misnamed(sources: dict[str, str], packages: list[str]) -> list[str]:
    """Modules with a private name that their package exports from, or with a public name that it does not."""
    offered = {m for p in packages for _, m, _ in imported(sources[p])}
    doors = {p for p in packages if any(m.startswith(f"{p}.") for m in offered)}
    inside = [m for m in sources if m not in packages and m.rpartition(".")[0] in doors]
    return [m for m in inside if m.rpartition(".")[2].startswith("_") == (m in offered)]
