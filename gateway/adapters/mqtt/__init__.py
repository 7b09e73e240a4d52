"""MQTT ingestion on paho-mqtt: subscribe at QoS 1, record, and only then acknowledge (`ingest.md` 4)."""
