"""Marking a class: derivations in many files, each run in a process of its own."""
