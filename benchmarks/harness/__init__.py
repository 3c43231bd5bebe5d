"""What benchmarks of servers share: processes, measuring, statistics, tables."""
