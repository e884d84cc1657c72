"""What is Kong's in a configuration: the section `kong`, and files in its declarative format."""
