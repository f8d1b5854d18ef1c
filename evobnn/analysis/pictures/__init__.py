"""Pictures of fronts, learning, agreement and single genomes."""
