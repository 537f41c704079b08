"""How good the answers are: nDCG and recall on collections with judged queries."""
