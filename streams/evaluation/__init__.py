"""Evaluation without traffic: logs of decisions, recorded answers of all arms, tables, plots."""
