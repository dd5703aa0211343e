"""`market-mcp doctor`: whether what is configured works, and whether the markets still answer as they are known to."""
