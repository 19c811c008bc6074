"""What the command line does before the framework is there."""

import subprocess
import sys

import pytest

COUNTING = """
import ast, sys
parsed = []
parse = ast.parse
ast.parse = lambda *given, **options: parsed.append(given) or parse(*given, **options)
sys.argv = ["source-customerscanvas", "spec"]
{command}
sys.stderr.write(f"parsed: {{len(parsed)}}")
"""


@pytest.mark.parametrize(
    ("command", "is_parsed"),
    [
        ("import airbyte_cdk", True),  # else there is nothing to spare any more
        ("import source_customerscanvas.run; source_customerscanvas.run.run()", False),
    ],
)
def test_given_the_frameworks_enums_when_it_is_imported_then_their_source_is_not_parsed_for_the_command_line(
    command: str, is_parsed: bool
) -> None:
    code = COUNTING.format(command=command)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (int(run.stderr.rpartition("parsed: ")[2]) > 10) == is_parsed
