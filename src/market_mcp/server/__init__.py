"""The MCP side: actions as tools, and the transports they are served over."""
