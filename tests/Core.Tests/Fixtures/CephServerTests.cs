using Amazon.S3;
using Amazon.S3.Model;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Fixtures;

public class CephServerTests
{
    [S3Fact]
    public async Task What_is_put_can_be_read_and_is_not_overwritten_when_a_new_object_is_asked_for()
    {
        var server = await CephServer.Shared;
        using var client = server.CreateClient();
        var bucket = await server.CreateBucketAsync();
        PutObjectRequest Put(string body) => new()
        {
            BucketName = bucket,
            Key = "a key/with: odd!characters%",
            ContentBody = body,
            IfNoneMatch = "*",
            UseChunkEncoding = false,
        };

        await client.PutObjectAsync(Put("first"));
        var refused = await Assert.ThrowsAsync<AmazonS3Exception>(() => client.PutObjectAsync(Put("second")));

        Assert.Equal(System.Net.HttpStatusCode.PreconditionFailed, refused.StatusCode);
        using var answer = await client.GetObjectAsync(bucket, Put("").Key);
        using var reader = new StreamReader(answer.ResponseStream);
        Assert.Equal("first", await reader.ReadToEndAsync());
    }
}
