"""`python main.py spec|check|discover|read`: the connector from a checkout."""

from source_customerscanvas.run import run

if __name__ == "__main__":
    run()
