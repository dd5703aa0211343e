"""The one way to a market and back: what is sent, when it may be sent, and what the answer means.

Knows requests, the polling gate and the markets' quotas; it does not know what several answers mean together. A rule
that holds for every request, be it about secrets, pace or tries, changes here.
"""
