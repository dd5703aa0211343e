"""The MCP side: calls as tools, resources and prompts, and the transports they are served over.

Knows the protocol and its clients; it does not know how a call is performed. What a client is shown changes here.
"""
