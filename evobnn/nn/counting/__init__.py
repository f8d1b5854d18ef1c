"""What a network costs: layer by layer without computing it (`cost`, `hollow`), and in one table (`summary`)."""
