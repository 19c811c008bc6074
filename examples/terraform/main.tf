# A large shop in parts: N sources and N connections of one Airbyte workspace, from one configuration. Each connection
# reads the orders of its shard, and has a state and tables of its own.

terraform {
  required_version = ">= 1.5"
  required_providers {
    airbyte = {
      source  = "airbytehq/airbyte"
      version = "~> 1.1"
    }
  }
}

provider "airbyte" {
  server_url    = var.airbyte_url
  client_id     = var.airbyte_client_id
  client_secret = var.airbyte_client_secret
}

locals {
  # changing the count reads what is newly in a shard as new
  shards = { for index in range(var.shard_count) : tostring(index) => index }

  streams = ["orders", "projects", "processing_results", "artifacts", "artifact_files"]
}

resource "airbyte_source_definition" "customerscanvas" {
  name              = "Customer's Canvas"
  workspace_id      = var.workspace_id
  docker_repository = var.image
  docker_image_tag  = var.image_tag
}

resource "airbyte_source" "shard" {
  for_each = local.shards

  name          = "Customer's Canvas, shard ${each.key} of ${var.shard_count}"
  workspace_id  = var.workspace_id
  definition_id = airbyte_source_definition.customerscanvas.id

  configuration = jsonencode({
    client_id     = var.client_id
    client_secret = var.client_secret
    environment   = { region = var.region }
    shard         = { count = var.shard_count, index = each.value }
    files         = var.files
  })
}

resource "airbyte_connection" "shard" {
  for_each = local.shards

  name           = "Customer's Canvas, shard ${each.key} of ${var.shard_count}"
  source_id      = airbyte_source.shard[each.key].source_id
  destination_id = var.destination_id

  # Clearing or refreshing a connection empties its tables: shared ones would lose the other shards' rows. A view with
  # "union all" over shard_0_orders, shard_1_orders, … brings them together.
  prefix = "shard_${each.key}_"

  configurations = {
    streams = [
      for name in local.streams : {
        name      = name
        sync_mode = "incremental_deduped_history"
      }
    ]
  }

  # not all at the same moment, since they share the API's limit
  schedule = {
    schedule_type   = "cron"
    cron_expression = format("0 %d * * * ?", each.value * floor(60 / var.shard_count))
  }
}
