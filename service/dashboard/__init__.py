"""The pages an operator sees. They know the service only through its HTTP contract."""
