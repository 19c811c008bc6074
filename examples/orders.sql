-- Two views for the desk of a print shop, over the tables that a sync makes: DuckDB and PostgreSQL.
--
-- PyAirbyte writes names in lower case, so they stand here without quotes. Airbyte's own PostgreSQL destination keeps
-- upper and lower case: there, write each column of a stream in double quotes, such as "projectId". The columns of these
-- views are in lower case everywhere.

-- One row an order. An order is ready when every one of its projects is finished, and has been since the last of its
-- files was made. An orderId is unique within its storefront only.
create or replace view orders as
with files as (
    select projectId, count(*) as files, max(lastModified) as made_at
    from artifact_files
    group by projectId
)
select
    projects.storefrontId as storefront_id,
    projects.orderId as order_id,
    min(projects.orderNumber) as order_number,
    min(projects.customerName) as customer_name,
    min(projects.created) as created,
    count(*) as projects,
    count(*) filter (where results.status = 'Completed') as finished,
    count(*) filter (where results.status = 'Failed') as failed,
    coalesce(sum(files.files), 0) as files,
    case
        when count(*) = count(*) filter (where results.status = 'Completed')
        then max(coalesce(files.made_at, results.updatedAt))
    end as ready_since
from projects
left join processing_results as results on results.projectId = projects.id
left join files on files.projectId = projects.id
where projects.orderId is not null
group by projects.storefrontId, projects.orderId;

-- One row a print file of an order that is ready: what goes to the press, and where it lies.
create or replace view files_to_print as
select
    orders.storefront_id,
    orders.order_id,
    orders.customer_name,
    orders.ready_since,
    projects.id as project_id,
    projects.name as project,
    artifacts.name as artifact,
    artifact_files.format,
    artifact_files.size,
    artifact_files.sha256,
    artifact_files.filePath as file_path
from orders
join projects on projects.storefrontId = orders.storefront_id and projects.orderId = orders.order_id
join artifacts on artifacts.projectId = projects.id
join artifact_files on artifact_files.artifactId = artifacts.id
where orders.ready_since is not null;
