"""Texts as such: made safe to print, cut to what a model can take in, and times written and read.

Knows no call, no market and no file. A rule about characters, lengths or dates changes here.
"""
