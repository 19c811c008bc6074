-- Three views for the desk of a print shop, over the tables that a sync makes: DuckDB and PostgreSQL.
--
-- PyAirbyte writes names in lower case, so they stand here without quotes. Airbyte's own PostgreSQL destination keeps
-- upper and lower case: there, write each column of a stream in double quotes, such as "projectId". The columns of these
-- views are in lower case everywhere.

-- One row an order: where it stands, and what was delivered. An orderId is unique within its storefront only. An order
-- that is ready has been since the last of its files was made; manifest_path is its order.json, if that is switched on.
create or replace view order_overview as
with files as (
    select
        storefrontId,
        orderId,
        count(projectId) as files,
        sum(size) filter (where projectId is not null) as bytes,
        max(lastModified) filter (where projectId is not null) as made_at,
        max(filePath) filter (where projectId is null) as manifest_path
    from artifact_files
    group by storefrontId, orderId
)
select
    orders.storefrontId as storefront_id,
    orders.orderId as order_id,
    orders.orderNumber as order_number,
    orders.customerName as customer_name,
    orders.created,
    orders.state,
    orders.projectCount as projects,
    orders.readyCount as ready,
    orders.failedCount as failed,
    orders.unfinishedCount as unfinished,
    coalesce(files.files, 0) as files,
    coalesce(files.bytes, 0) as bytes,
    files.manifest_path,
    case when orders.state = 'Ready' then coalesce(files.made_at, orders.updatedAt) end as ready_since
from orders
left join files on files.storefrontId = orders.storefrontId and files.orderId = orders.orderId;

-- One row a project of an order, with its state at the time of the order's row: Ready, InProgress, Failed or Held.
create or replace view order_projects as
with recursive positions (position) as (
    select 0
    union all
    select position + 1 from positions where position + 1 < (select max(projectCount) from orders)
)
select
    orders.storefrontId as storefront_id,
    orders.orderId as order_id,
    cast(orders.projects -> position ->> 'id' as bigint) as project_id,
    orders.projects -> position ->> 'name' as project,
    orders.projects -> position ->> 'state' as state
from orders
join positions on position < orders.projectCount;

-- One row a print file of an order that is ready: what goes to the press, and where it lies. Files of projects that are
-- held, such as those that were cancelled after their delivery, are not among them.
create or replace view files_to_print as
select
    order_overview.storefront_id,
    order_overview.order_id,
    order_overview.customer_name,
    order_overview.ready_since,
    order_projects.project_id,
    order_projects.project,
    artifact_files.name as artifact,
    artifact_files.format,
    artifact_files.size,
    artifact_files.sha256,
    artifact_files.filePath as file_path,
    artifact_files.fileUrl as file_url
from order_overview
join order_projects
    on order_projects.storefront_id = order_overview.storefront_id and order_projects.order_id = order_overview.order_id
join artifact_files on artifact_files.projectId = order_projects.project_id
where order_overview.state = 'Ready' and order_projects.state = 'Ready';
