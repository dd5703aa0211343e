"""`python -m market_mcp` is `market-mcp`."""

from market_mcp.cli import main

if __name__ == "__main__":
    main()
