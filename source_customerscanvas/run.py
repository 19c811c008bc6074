"""The command line: `source-customerscanvas spec | check | discover | read`."""

import sys

from airbyte_cdk.entrypoint import AirbyteEntrypoint, launch
from airbyte_cdk.exception_handler import init_uncaught_exception_handler
from airbyte_cdk.logger import init_logger

from source_customerscanvas.source import SourceCustomersCanvas


def run() -> None:
    """Run the command that the arguments name, as the Airbyte protocol defines it."""
    init_uncaught_exception_handler(init_logger("airbyte"))
    arguments = sys.argv[1:]
    config_path = AirbyteEntrypoint.extract_config(arguments)
    catalog_path = AirbyteEntrypoint.extract_catalog(arguments)
    state_path = AirbyteEntrypoint.extract_state(arguments)
    source = SourceCustomersCanvas(
        catalog=SourceCustomersCanvas.read_catalog(catalog_path) if catalog_path else None,
        config=SourceCustomersCanvas.read_config(config_path) if config_path else None,
        state=SourceCustomersCanvas.read_state(state_path) if state_path else None,
    )
    launch(source, arguments)
