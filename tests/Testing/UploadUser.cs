using System.Text.Json.Nodes;

namespace OrleansCache.Testing;

/// <summary>A user of an S3 server whose key signs clients' URLs.</summary>
/// <param name="Arn">As policies name it.</param>
/// <param name="ServerArn">The user whose keys the server has.</param>
public sealed record UploadUser(string Arn, string AccessKey, string SecretKey, string ServerArn)
{
    /// <summary>Null when such a user can be had, else why not.</summary>
    public static string? MissingReason => CephServer.MissingReason
        ?? (CephServer.Uploader is null ? "ORLEANS_CACHE_TEST_S3_UPLOAD_USER names no user" : null);

    /// <summary>The bucket's policy that docs/server.md shows, for this user.</summary>
    /// <param name="bucket">The bucket.</param>
    /// <param name="prefix">What <c>--s3-prefix</c> is, with its slash; or empty.</param>
    /// <param name="more">Further statements.</param>
    public string Policy(string bucket, string prefix = "", params string[] more)
    {
        var policy = JsonNode.Parse(Example("The upload key", bucket, prefix))!;
        foreach (var statement in more)
            policy["Statement"]!.AsArray().Add(JsonNode.Parse(statement));
        return policy.ToJsonString();
    }

    /// <summary>The policy of a bucket in which this user's key signs readers' URLs instead, by the statement of docs/server.md.</summary>
    public string ReadPolicy(string bucket, string prefix = "", params string[] more) =>
        $$"""{"Version":"2012-10-17","Statement":[{{string.Join(',', [Example("The read key", bucket, prefix), .. more])}}]}""";

    private string Example(string title, string bucket, string prefix)
    {
        var page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "server.md"));
        var at = page.IndexOf("```json\n", page.IndexOf($"\n## {title}\n", StringComparison.Ordinal), StringComparison.Ordinal)
            + "```json\n".Length;
        return page[at..page.IndexOf("```", at, StringComparison.Ordinal)]
            .Replace("arn:aws:iam::123456789012:user/cache-upload", Arn, StringComparison.Ordinal)
            .Replace("arn:aws:iam::123456789012:user/cache-read", Arn, StringComparison.Ordinal)
            .Replace("arn:aws:iam::123456789012:user/cache-server", ServerArn, StringComparison.Ordinal)
            .Replace("example-nix-cache/nar/*", $"{bucket}/{prefix}nar/*", StringComparison.Ordinal)
            .Replace("example-nix-cache/c/", $"{bucket}/{prefix}c/", StringComparison.Ordinal)
            .Replace("example-nix-cache", bucket, StringComparison.Ordinal);
    }
}
