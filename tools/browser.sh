#!/bin/sh
# What the tests of the page need besides Python: Chromium (Debian's) and axe-core (npm's, into build/axe).
# Never fails: where it cannot get them, those tests skip and say so.
cd "$(dirname "$0")/.." || exit 0

have() { command -v "$1" >/dev/null 2>&1; }

if ! have chromium && ! have chromium-browser && ! have google-chrome && [ -z "$EIGENCODE_CHROMIUM" ] && have apt-get; then
    as=none
    if [ "$(id -u)" = 0 ]; then as=""; elif have sudo && sudo -n true 2>/dev/null; then as="sudo -n"; fi
    if [ "$as" != none ]; then
        echo "installing Chromium for the tests of the page"
        get="$as timeout 300 apt-get install -y -qq --no-install-recommends chromium"
        $get >/dev/null 2>&1 || { $as timeout 120 apt-get update -qq >/dev/null 2>&1 && $get >/dev/null 2>&1; } ||
            echo "Chromium could not be installed: the tests of the page will be skipped"
    fi
fi

if [ ! -f build/axe/node_modules/axe-core/axe.min.js ] && have npm; then
    mkdir -p build/axe
    timeout 120 npm install --prefix build/axe --no-save --silent --no-audit --no-fund axe-core@4.14.1 >/dev/null 2>&1 ||
        echo "axe-core could not be fetched: its test will be skipped"
fi
exit 0
