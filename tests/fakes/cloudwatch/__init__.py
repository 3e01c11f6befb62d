"""An in-memory CloudWatch that computes exact statistics; started by `cloudwatch_server.py`."""
