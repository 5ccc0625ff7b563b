"""The commands `eigencode store`: check a store, show its disk use, clean up."""

from pathlib import Path
from typing import Annotated

import typer

from eigencode.base.ending import report_errors

store_app = typer.Typer(help="The store of results: check it, show its disk use, clean up.", no_args_is_help=True)

StoreOption = Annotated[Path, typer.Option("--store", help="Where results are kept.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of the table.")]
SealOption = Annotated[bool, typer.Option("--seal", help="Add checksums to results of older versions.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Delete what is listed; without it nothing is deleted.")]
DEFAULT_STORE = Path("store")


@store_app.command("verify")
def store_verify(store: StoreOption = DEFAULT_STORE, seal: SealOption = False, json_: JsonOption = False) -> None:
    """Check every result against its checksums; exit code 1 if one is damaged."""
    with report_errors():
        from eigencode.base.listing import print_list
        from eigencode.report._listing import say_unsealed
        from eigencode.study._integrity import refuse
        from eigencode.study._upkeep import existing, verify

        found = verify(kept := existing(store), seal)
        rows = [("results", found["steps"]), *((n.replace("_", " "), len(found[n])) for n in list(found)[1:])]
        print_list(found if json_ else None, ("", ""), rows)
        say_unsealed(kept, found["without_checksums"])
        refuse(found["damaged"])


@store_app.command("info")
def store_info(store: StoreOption = DEFAULT_STORE, json_: JsonOption = False) -> None:
    """Show how many steps and how much room every study takes, and everything else."""
    with report_errors():
        from eigencode.base.listing import print_list, room
        from eigencode.study._upkeep import existing, sizes

        found = sizes(existing(store))
        rows = [(n, e["steps"], room(e["bytes"]), room(e["alone"]) if "alone" in e else "") for n, e in found.items()]
        print_list(found if json_ else None, ("study", "steps", "size", "used by no other"), rows)


@store_app.command("prune")
def store_prune(store: StoreOption = DEFAULT_STORE, yes: YesOption = False) -> None:
    """List what nothing needs: damaged results, files of runs that ended long ago, results no report uses."""
    with report_errors():
        from eigencode.base.listing import print_list, room
        from eigencode.study._upkeep import existing, remove, waste

        found = waste(kept := existing(store))
        if found:
            print_list(None, ("", "size", ""), [(w.path.relative_to(store), room(w.bytes), w.why) for w in found])
        total = room(sum(w.bytes for w in found))
        if yes:
            remove(kept, found)
        typer.echo(f"{total} deleted" if yes else f"{total} in all; nothing is deleted without --yes")
