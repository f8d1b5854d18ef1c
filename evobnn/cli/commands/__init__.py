"""The arguments and the help of every command, by family; what a command does is loaded when it runs."""
