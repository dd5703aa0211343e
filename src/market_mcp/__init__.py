"""MCP server through which LLM agents work on agent marketplaces."""

__version__ = "0.1.0"
