"""DAGs of Kiln's pipelines, for the processes of Airflow. They call scripts/kiln, and import none of it."""
