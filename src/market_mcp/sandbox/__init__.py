"""Three pretend marketplaces that keep the rules of the real ones.

Nothing here imports the adapter side: that both sides agree is evidence only as long as they were written
apart.
"""

KEYS = {"polt": "polt_sandbox_you", "agentjob": "ak_sandbox_you", "opentask": "ot_sandbox_you"}
"""The bearer keys of the seeded `sandbox_agent`, by market."""
