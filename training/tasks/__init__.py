"""What the loop trains: one file a task, named by the recipe's `task`."""
