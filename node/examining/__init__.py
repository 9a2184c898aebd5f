"""What `potluck node doctor` looks at, one thing a file."""
