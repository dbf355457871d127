"""From finished cells to a conclusion: score tables, inference, figures, PDF. Imports neither torch nor ray."""
