"""The yardstick for a forwarded call: a server of the MCP SDK with one tool that passes its text on by HTTP.

Run as `python benchmarks/bare_forwarder.py URL`.
"""

import sys
from typing import Any

import httpx2
from mcp.server.mcpserver import MCPServer

server = MCPServer("forwarder", version="1.0.0", log_level="WARNING")
client = httpx2.AsyncClient(base_url=sys.argv[1], trust_env=False)


@server.tool(structured_output=False)
async def post(path: str, body: dict[str, Any]) -> str:
    """Send a JSON body and give back the answer."""
    return (await client.post(path, json=body)).text


if __name__ == "__main__":
    server.run("stdio")
