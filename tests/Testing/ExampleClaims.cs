using System.Text.Json.Nodes;

namespace OrleansCache.Testing;

/// <summary>Claims as the issuers of CI jobs and of pods send them, without issuer and times; every value is invented.</summary>
public static class ExampleClaims
{
    public static JsonObject GitHub(string audience) => Read($$"""
        {
          "jti": "6f4c9a2e-53b1-4f0d-9c51-0d6f7e1b2a34", "sub": "repo:octo-org/octo-repo:ref:refs/heads/main", "aud": "{{audience}}",
          "ref": "refs/heads/main", "sha": "5c9e1f2a7b3d4e6f8091a2b3c4d5e6f708192a3b", "repository": "octo-org/octo-repo",
          "repository_owner": "octo-org", "repository_owner_id": "65536", "run_id": "9000000001", "run_number": "10", "run_attempt": "2",
          "repository_visibility": "private", "repository_id": "1296269", "actor_id": "583231", "actor": "octocat",
          "workflow": "build", "head_ref": "", "base_ref": "", "event_name": "push", "ref_protected": "true", "ref_type": "branch",
          "workflow_ref": "octo-org/octo-repo/.github/workflows/build.yml@refs/heads/main",
          "workflow_sha": "5c9e1f2a7b3d4e6f8091a2b3c4d5e6f708192a3b",
          "job_workflow_ref": "octo-org/octo-repo/.github/workflows/build.yml@refs/heads/main",
          "job_workflow_sha": "5c9e1f2a7b3d4e6f8091a2b3c4d5e6f708192a3b", "runner_environment": "github-hosted"
        }
        """);

    public static JsonObject GitLab(string audience) => Read($$"""
        {
          "namespace_id": "72", "namespace_path": "my-group", "project_id": "20", "project_path": "my-group/my-project", "user_id": "1",
          "user_login": "sample-user", "user_email": "sample-user@example.com", "user_identities": [],
          "user_access_level": "developer", "pipeline_id": "574", "pipeline_source": "push", "job_id": "302", "ref": "main",
          "ref_type": "branch", "ref_path": "refs/heads/main", "ref_protected": "true", "environment": "production",
          "environment_protected": "true", "deployment_tier": "production", "environment_action": "start", "runner_id": 1,
          "runner_environment": "self-hosted", "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc", "project_visibility": "public",
          "ci_config_ref_uri": "gitlab.example.com/my-group/my-project//.gitlab-ci.yml@refs/heads/main",
          "ci_config_sha": "714a629c0b401fdce83e847fc9589983fc6f46bc", "jti": "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b",
          "sub": "project_path:my-group/my-project:ref_type:branch:ref:main", "aud": "{{audience}}"
        }
        """);

    /// <summary>Of a Forgejo with immutable ids; older ones lack the three ids, and have no numbers in <c>sub</c>.</summary>
    public static JsonObject Forgejo(string audience) => Read($$"""
        {
          "sub": "repo:tools-12/builder-34:ref:refs/heads/main", "aud": "{{audience}}", "actor": "robin", "actor_id": "7", "base_ref": "",
          "event_name": "push", "repository_id": "34", "repository_owner_id": "12",
          "head_ref": "", "ref": "refs/heads/main", "ref_protected": "false", "ref_type": "branch", "repository": "tools/builder",
          "repository_owner": "tools", "run_attempt": "1", "run_id": "77", "run_number": "5",
          "sha": "0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f607182930", "workflow": "build.yml",
          "workflow_ref": "tools/builder/.forgejo/workflows/build.yml@refs/heads/main"
        }
        """);

    /// <summary>The projected token of a service account, bound to a pod.</summary>
    public static JsonObject Kubernetes(string audience) => Read($$"""
        {
          "aud": ["{{audience}}"], "jti": "b2f1c3d4-0a1b-4c2d-8e3f-405162738495",
          "kubernetes.io": {
            "namespace": "ci",
            "node": { "name": "node-3", "uid": "0f6b1a57-7d14-4a51-a2c4-60b7c5f3a001" },
            "pod": { "name": "build-7x2kq", "uid": "7d0c2f4e-8a9b-4c1d-9e2f-3a4b5c6d7e8f" },
            "serviceaccount": { "name": "pusher", "uid": "1c2d3e4f-5a6b-4c7d-8e9f-0a1b2c3d4e5f" }
          },
          "sub": "system:serviceaccount:ci:pusher"
        }
        """);

    private static JsonObject Read(string json) => JsonNode.Parse(json)!.AsObject();
}
