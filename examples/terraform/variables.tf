variable "airbyte_url" {
  description = "The public API of the workspace's Airbyte, such as https://airbyte.example/api/public/v1"
  type        = string
}

variable "airbyte_client_id" {
  description = "Of an application that Airbyte's settings list"
  type        = string
}

variable "airbyte_client_secret" {
  type      = string
  sensitive = true
}

variable "workspace_id" {
  type = string
}

variable "destination_id" {
  description = "Where the rows go; each shard's connection writes there, into tables with a prefix of its own"
  type        = string
}

variable "image" {
  description = "The connector's image, in a registry that the cluster can pull from"
  type        = string
}

variable "image_tag" {
  type = string
}

variable "shard_count" {
  type    = number
  default = 4

  validation {
    condition     = var.shard_count >= 2 && var.shard_count <= 60
    error_message = "One source needs no shard, and the schedule has a minute for each of at most 60."
  }
}

variable "client_id" {
  description = "Of the external app in Customer's Canvas"
  type        = string
}

variable "client_secret" {
  type      = string
  sensitive = true
}

variable "region" {
  description = "us, eu or au"
  type        = string
  default     = "us"
}

variable "files" {
  description = "Who stores the print files, and where: the connector's setting of that name"
  type        = any
  sensitive   = true
  default     = { delivery = "none" }
}
