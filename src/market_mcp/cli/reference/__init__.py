"""The reference of the tools, made of their declarations and of a run against the pretend markets; and, made of the
declarations too, what README and docs repeat of them."""
