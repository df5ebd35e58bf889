"""Runs all checks, one after the other, and counts them. See `run`."""

import signal
import sys

import columns_are_true
import docs_are_true
import examples_read_and_write
import installs_from_packages
import limits_of_a_container
import numbers_are_true
import others_read_the_agent
import prometheus_is_a_source
import prometheus_scrapes
import roads_of_ssh
import runs_as_a_service
import sockets_of_labplot
import tls_of_openssl
import tutorial_is_read
from stage import Programs, Skip


def main() -> int:
    # So that `finally` and `with` end what was started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    programs = Programs.built(sys.argv[1])
    passed = failed = skipped = 0
    modules = [
        docs_are_true,
        tutorial_is_read,
        others_read_the_agent,
        examples_read_and_write,
        numbers_are_true,
        columns_are_true,
        limits_of_a_container,
        sockets_of_labplot,
        roads_of_ssh,
        runs_as_a_service,
        installs_from_packages,
        tls_of_openssl,
        prometheus_scrapes,
        prometheus_is_a_source,
    ]
    for module in modules:
        for check in module.CHECKS:
            name = check.__name__.replace("_", " ")
            try:
                said = check(programs)
            except Skip as why:
                skipped += 1
                print(f"skipped  {name}: {why}", flush=True)
            except Exception as why:
                failed += 1
                print(f"FAILED   {name}: {why or type(why).__name__}", flush=True)
            else:
                passed += 1
                print(f"ok       {name}" + (f": {said}" if said else ""), flush=True)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
