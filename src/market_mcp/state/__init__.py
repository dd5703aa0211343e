"""What outlives a call: the state file that processes share, and the file of keys.

Knows files, tables and their safety; it does not know what a call is or what a market answers. A further engine comes
here.
"""
