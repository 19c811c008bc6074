"""Airbyte source connector for Customer's Canvas."""
