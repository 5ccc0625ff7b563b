"""`python -m tools.notebook FILE …`: run the code cells of notebooks and write their displays into them.

A cell displays its last line if that is an expression, as text and, where the object has one, as HTML.  Jupyter is not
needed, and a notebook written here opens in it.
"""

import ast
import io
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any


def displays(notebook: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Run the code cells in order, in one namespace; the outputs of each in the format of notebooks."""
    names: dict[str, Any] = {"__name__": "__main__"}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return [_outputs("".join(cell["source"]), names, count + 1) for count, cell in enumerate(cells)]


def _outputs(source: str, names: dict[str, Any], count: int) -> list[dict[str, Any]]:
    tree, shown, printed = ast.parse(source), None, io.StringIO()
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    with redirect_stdout(printed):
        exec(compile(tree, f"cell {count}", "exec"), names)
        if isinstance(last, ast.Expr):
            shown = eval(compile(ast.Expression(last.value), f"cell {count}", "eval"), names)
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": printed.getvalue().splitlines(True)})
    if shown is not None:
        data = {"text/plain": repr(shown).splitlines(True)}
        if hasattr(shown, "_repr_html_"):
            data["text/html"] = shown._repr_html_().splitlines(True)
        outputs.append({"output_type": "execute_result", "execution_count": count, "metadata": {}, "data": data})
    return outputs


def main() -> None:
    for path in map(Path, sys.argv[1:]):
        notebook = json.loads(path.read_text("utf-8"))
        found = displays(notebook)
        for count, cell in enumerate(cell for cell in notebook["cells"] if cell["cell_type"] == "code"):
            cell |= {"execution_count": count + 1, "outputs": found[count]}
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")
        print(f"{path}: {len(found)} cells")


if __name__ == "__main__":
    main()
