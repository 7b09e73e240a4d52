"""OPC UA ingestion: asyncua is codec, channel and session; publish pump, recovery ladder and gap accounting are ours."""
