using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Amazon.S3;
using Amazon.S3.Model;
using OrleansCache.Gateway.Tests.Protocols.V1;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Hosting;

/// <summary>The program over a real bucket that is not as it should be: it does not start, or says how it goes on.</summary>
public sealed class StoreStartTests
{
    [S3Theory]
    [InlineData("bucket", "NoSuchBucket", "--s3-bucket")]
    [InlineData("secret", "SignatureDoesNotMatch", "--s3-secret-key-file")]
    [InlineData("access", "InvalidAccessKeyId", "--s3-access-key-file")]
    public async Task What_cannot_work_is_refused_with_the_bucket_the_host_the_code_and_the_remedy(string wrong, string code, string remedy)
    {
        using var folder = new TempFolder();
        using var bucket = await ObjectBucket.CreateAsync();
        await File.WriteAllTextAsync(folder["wrong"], "wrong");
        string[] options = [.. bucket.ServerOptions, "--data", folder["data"], "--listen", "127.0.0.1:0"];
        var at = Array.IndexOf(options, wrong == "bucket" ? "--s3-bucket" : $"--s3-{wrong}-key-file") + 1;
        options[at] = wrong == "bucket" ? "no-such-bucket" : folder["wrong"];

        var (exit, _, errors) = await ServerProcess.RunAsync(null, options);

        Assert.Equal(2, exit);
        var sentence = errors.TrimEnd().Split('\n')[^1];
        Assert.Contains(
            $"bucket {(wrong == "bucket" ? "no-such-bucket" : bucket.Name)} at {(await CephServer.Shared).Endpoint.Authority} cannot be used", sentence, StringComparison.Ordinal);
        // Ceph that knows roles says no more of wrong keys.
        Assert.True(sentence.Contains(code, StringComparison.Ordinal)
            || (wrong != "bucket" && sentence.Contains("AccessDenied", StringComparison.Ordinal)), sentence);
        Assert.Contains(remedy, sentence, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", errors, StringComparison.Ordinal);
    }

    [S3Fact]
    public async Task A_store_as_it_should_be_is_not_mentioned_and_small_NARs_go_by_one_PUT()
    {
        using var folder = new TempFolder();
        using var bucket = await ObjectBucket.CreateAsync();

        await using var server = await ServerProcess.StartAsync(folder["data"], bucket.ServerOptions);

        Assert.DoesNotContain("If-None-Match", server.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("store[", server.Errors, StringComparison.Ordinal);
        Assert.NotNull((await GrantAsync(server))["url"]);
        Assert.DoesNotContain(await bucket.KeysAsync(), key => key.Contains("probe", StringComparison.Ordinal));
    }

    [S3Fact]
    public async Task Where_a_used_upload_URL_would_replace_the_object_NARs_go_in_parts_and_the_log_says_why()
    {
        using var folder = new TempFolder();
        using var bucket = await ObjectBucket.CreateAsync();
        using var client = (await CephServer.Shared).CreateClient();
        await client.PutBucketVersioningAsync(new PutBucketVersioningRequest
        {
            BucketName = bucket.Name,
            VersioningConfig = new S3BucketVersioningConfig { Status = VersionStatus.Enabled }
        });
        var ignores = (await client.PutObjectAsync(Once(bucket.Name))).HttpStatusCode == HttpStatusCode.OK
            && await IsReplacedAsync(client, bucket.Name);

        await using var server = await ServerProcess.StartAsync(folder["data"], bucket.ServerOptions);

        Assert.Equal(ignores, server.Errors.Contains("it ignores If-None-Match", StringComparison.Ordinal));
        var grant = await GrantAsync(server);
        Assert.Equal(ignores, grant["url"] is null);
        Assert.Equal(ignores, grant["parts"] is not null);
    }

    [S3Fact]
    public async Task A_bucket_that_refuses_deletions_is_told_of_and_served_from()
    {
        using var folder = new TempFolder();
        using var bucket = await ObjectBucket.CreateAsync();
        await (await CephServer.Shared).SetPolicyAsync(
            bucket.Name,
            $$"""{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":["*"]},"Action":["s3:DeleteObject"],"Resource":["arn:aws:s3:::{{bucket.Name}}/*"]}]}""");

        await using var server = await ServerProcess.StartAsync(folder["data"], bucket.ServerOptions);

        Assert.Contains("it refuses deletions (AccessDenied)", server.Errors, StringComparison.Ordinal);
        using var warnings = new HttpRequestMessage(HttpMethod.Get, "/v1/caches/default/warnings");
        Assert.Contains("it refuses deletions (AccessDenied)", (await SendAsync(server, warnings)).ToJsonString(),
            StringComparison.Ordinal);
        Assert.NotNull((await GrantAsync(server))["url"]);
    }

    [S3Fact]
    public async Task A_store_that_deletes_one_object_a_request_is_told_of_and_uploads_go_on()
    {
        using var folder = new TempFolder();
        using var bucket = await ObjectBucket.CreateAsync();
        await using var proxy = new S3Proxy((await CephServer.Shared).Endpoint)
        {
            Answer = request => request.HttpMethod == "POST"
            ? S3Proxy.Error(405, "MethodNotAllowed") : null
        };

        await using var server = await ServerProcess.StartAsync(folder["data"], Behind(proxy, bucket));

        Assert.Contains("They are deleted one by one", server.Errors, StringComparison.Ordinal);
        Assert.NotNull((await GrantAsync(server))["url"]);
        Assert.DoesNotContain(await bucket.KeysAsync(), key => key.Contains("probe", StringComparison.Ordinal));
    }

    [S3Fact]
    public async Task A_server_whose_keys_are_no_longer_good_answers_with_the_stores_code()
    {
        using var folder = new TempFolder();
        using var bucket = await ObjectBucket.CreateAsync();
        await using var proxy = new S3Proxy((await CephServer.Shared).Endpoint);
        await using var server = await ServerProcess.StartAsync(folder["data"], Behind(proxy, bucket));
        proxy.Answer = _ => S3Proxy.Error(403, "InvalidAccessKeyId");

        using var read = await server.Client.GetAsync(new Uri($"/nar/{new string('0', 52)}.nar.zst", UriKind.Relative));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, read.StatusCode);
        Assert.Contains("InvalidAccessKeyId", await read.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        // A HEAD has no body for a code.
        await Eventually.BecomesTrueAsync(async () =>
        {
            using var ready = await server.Client.GetAsync(new Uri("/readyz", UriKind.Relative));
            return ready.StatusCode == HttpStatusCode.ServiceUnavailable && (await ready.Content.ReadAsStringAsync())
                .Contains("HTTP 403", StringComparison.Ordinal);
        });
    }

    [S3Fact]
    public async Task A_bucket_that_refuses_writes_from_now_on_is_told_of_by_the_readiness_for_pushes()
    {
        using var folder = new TempFolder();
        using var bucket = await ObjectBucket.CreateAsync();
        await using var proxy = new S3Proxy((await CephServer.Shared).Endpoint);
        await using var server = await ServerProcess.StartAsync(folder["data"], Behind(proxy, bucket));
        Assert.Equal(HttpStatusCode.OK, (await ReadyAsync(server, "?for=push")).Status);
        proxy.Answer = request => request.HttpMethod is "PUT" or "POST" ? S3Proxy.Error(403, "AccessDenied") : null;

        // A NAR of this size goes in parts, which the server opens.
        using var begin = new HttpRequestMessage(HttpMethod.Post, SampleRequests.Pushes)
        {
            Content = new StringContent(
            SampleRequests.Begin.Replace("120", "200000000", StringComparison.Ordinal), Encoding.UTF8, "application/json")
        };
        begin.Headers.Add("Idempotency-Key", "large");
        Assert.Contains("AccessDenied", (await SendAsync(server, begin)).ToJsonString(), StringComparison.Ordinal);

        await Eventually.BecomesTrueAsync(async () => (await ReadyAsync(server, "?for=push")).Status == HttpStatusCode.ServiceUnavailable);
        Assert.Contains($"bucket {bucket.Name} at {proxy.Url.Authority} refuses what pushes need",
            (await ReadyAsync(server, "?for=push")).Text, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await ReadyAsync(server)).Status);
        Assert.Contains("refuses what pushes need", server.Errors, StringComparison.Ordinal);
    }

    private static async Task<(HttpStatusCode Status, string Text)> ReadyAsync(ServerProcess server, string query = "")
    {
        using var answer = await server.Client.GetAsync(new Uri($"/readyz{query}", UriKind.Relative));
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    private static PutObjectRequest Once(string bucket) => new()
    {
        BucketName = bucket,
        Key = "once",
        ContentBody = "x",
        IfNoneMatch = "*",
        UseChunkEncoding = false
    };

    private static async Task<bool> IsReplacedAsync(AmazonS3Client client, string bucket)
    {
        try
        {
            return (await client.PutObjectAsync(Once(bucket))).HttpStatusCode == HttpStatusCode.OK;
        }
        catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.PreconditionFailed)
        {
            return false;
        }
    }

    private static async Task<JsonNode> GrantAsync(ServerProcess server)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post,
            SampleRequests.Pushes)
        { Content = new StringContent(SampleRequests.Begin, Encoding.UTF8, "application/json") };
        request.Headers.Add("Idempotency-Key", "one");
        return (await SendAsync(server, request))["uploads"]![0]!;
    }

    private static async Task<JsonNode> SendAsync(ServerProcess server, HttpRequestMessage request)
    {
        request.Headers.Authorization = new("Bearer", (await File.ReadAllTextAsync(Path.Combine(server.Data, "token"))).Trim());
        using var answer = await server.Client.SendAsync(request);
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
    }

    private static string[] Behind(S3Proxy proxy, ObjectBucket bucket)
    {
        string[] options = bucket.ServerOptions;
        options[Array.IndexOf(options, "--s3-endpoint") + 1] = proxy.Url.AbsoluteUri;
        return options;
    }
}
