"""Runs all checks in sequence and counts the results. See `run`."""

import signal
import sys

import a_day_of_history
import addresses_side_by_side
import agents_of_other_users
import black_holes
import blocked_terminal
import columns_match_the_system
import devices_count_once
import docs_commands_work
import examples_work
import findings_for_real
import installs_from_packages
import limits_of_a_container
import looking_costs_little
import places_for_all
import plain_rows_match_psutil
import numpy_and_gnuplot_read
import prometheus_as_a_source
import prometheus_scrapes
import silent_file_systems
import ssh_transport
import recording_on_bad_disks
import runs_as_a_service
import state_directory
import labplot_connections
import tls_with_openssl
import tutorial_script
import who_did_it
from stage import Programs, Skip


def main() -> int:
    # Lets `finally` and `with` end the started programs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    programs = Programs.built(sys.argv[1])
    passed = failed = skipped = 0
    modules = [
        docs_commands_work,
        tutorial_script,
        numpy_and_gnuplot_read,
        examples_work,
        plain_rows_match_psutil,
        columns_match_the_system,
        limits_of_a_container,
        labplot_connections,
        places_for_all,
        addresses_side_by_side,
        blocked_terminal,
        agents_of_other_users,
        recording_on_bad_disks,
        black_holes,
        silent_file_systems,
        ssh_transport,
        runs_as_a_service,
        state_directory,
        installs_from_packages,
        tls_with_openssl,
        prometheus_scrapes,
        prometheus_as_a_source,
        devices_count_once,
        who_did_it,
        looking_costs_little,
        a_day_of_history,
        findings_for_real,
    ]
    for module in modules:
        for check in module.CHECKS:
            name = check.__name__.replace("_", " ")
            try:
                result = check(programs)
            except Skip as error:
                skipped += 1
                print(f"skipped  {name}: {error}", flush=True)
            except Exception as error:
                failed += 1
                print(f"FAILED   {name}: {error or type(error).__name__}", flush=True)
            else:
                passed += 1
                print(f"ok       {name}" + (f": {result}" if result else ""), flush=True)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
