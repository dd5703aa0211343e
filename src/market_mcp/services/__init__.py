"""What takes more than one request, or remembers between calls: lists, reads, inbox, duties, chats, votes, accounts.

Knows what calls mean together; it sends nothing but through the gateway and knows nothing of MCP. What a tool brings
changes here, and `dispatcher` says which part performs which call.
"""
