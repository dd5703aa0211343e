"""The yardstick of the benchmarks: a server of the MCP SDK with one tool and nothing else, over stdio.

What market-mcp costs in start-up, memory and time per call is what it costs above this program.
"""

from mcp.server.mcpserver import MCPServer

server = MCPServer("bare", version="1.0.0", log_level="WARNING")


@server.tool(structured_output=False)
async def echo(text: str) -> str:
    """Give the text back unchanged."""
    return text


if __name__ == "__main__":
    server.run("stdio")
