using System.Collections.Concurrent;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;
using OrleansCache.Cli.Common;
using Xunit;

namespace OrleansCache.Cli.Tests;

/// <summary>Uploads to a store that misbehaves: answers that are lost, URLs that have expired, refusals.</summary>
public sealed class PusherUploadTests : PusherFixture
{
    [Fact]
    public async Task An_upload_whose_answer_was_lost_has_arrived()
    {
        _store.Add("a", 5000);
        var lost = false;
        _cache.Misbehave = async context =>
        {
            if (lost || !context.Request.Path.Value!.Contains("/store/", StringComparison.Ordinal))
                return false;
            lost = true;
            // The body is stored, by the same request sent once more from here, and the client never hears of it.
            using var http = new HttpClient();
            using var body = new StreamContent(context.Request.Body);
            using var request = new HttpRequestMessage(HttpMethod.Put,
                $"http://{context.Request.Host}{context.Request.Path}{context.Request.QueryString}")
            { Content = body };
            request.Headers.TryAddWithoutValidation("If-None-Match", "*");
            (await http.SendAsync(request)).EnsureSuccessStatusCode();
            context.Abort();
            return true;
        };

        await PushAsync();

        AssertAllArrived();
        Assert.Equal(3, _cache.Requests.Count(request => request.Contains("/store/", StringComparison.Ordinal))); // lost, ours, 412
    }

    [Theory]
    [InlineData(16 << 20)]
    [InlineData(0)]
    public async Task Expired_urls_are_replaced(int singlePutLimit)
    {
        _cache.SinglePutLimit = singlePutLimit;
        _store.Add("a", 400_000, noise: true);
        _store.Add("b", 400_000, noise: true);
        _cache.Misbehave = First(1, request => request.Path.Value!.Contains("/store/", StringComparison.Ordinal), context =>
        {
            _cache.UrlGeneration++;
            return Status(context, 403);
        });

        await PushAsync();

        AssertAllArrived();
    }

    [Theory]
    [InlineData(16 << 20)]
    [InlineData(0)]
    public async Task A_body_is_not_sent_to_a_URL_that_has_expired(int singlePutLimit)
    {
        _cache.SinglePutLimit = singlePutLimit;
        _cache.UrlLife = TimeSpan.FromMinutes(-1);
        _store.Add("a", 400_000, noise: true);
        _store.Add("b", 400_000, noise: true);
        var refused = 0;
        _cache.Misbehave = context =>
        {
            if (context.Request.Path.Value!.EndsWith("/urls", StringComparison.Ordinal))
                (_cache.UrlLife, _cache.UrlGeneration) = (TimeSpan.FromHours(1), 1);
            refused += context.Request.Path.Value.Contains("/store/", StringComparison.Ordinal)
                && !context.Request.QueryString.Value!.EndsWith("=1", StringComparison.Ordinal) ? 1 : 0;
            return Task.FromResult(false);
        };

        await PushAsync();

        AssertAllArrived();
        Assert.Equal(0, refused);
    }

    [Fact]
    public async Task A_clock_that_is_far_ahead_costs_one_question_for_each_upload()
    {
        _cache.SinglePutLimit = 0;
        _cache.UrlLife = TimeSpan.FromMinutes(-1);
        _store.Add("a", 4_000_000, noise: true);

        await PushAsync();

        AssertAllArrived();
        var parts = _cache.Requests.Count(request => request.Contains("/store/", StringComparison.Ordinal));
        var questions = _cache.Requests.Count(request => request.EndsWith("/urls", StringComparison.Ordinal));
        Assert.True(questions < parts, $"{questions} questions for {parts} parts");
    }

    [Fact]
    public async Task A_store_that_refuses_for_ever_is_an_error_that_says_so()
    {
        _store.Add("a", 100);
        _cache.Misbehave = First(int.MaxValue, request => request.Method == "PUT", context => Status(context, 403));

        var error = await Assert.ThrowsAsync<CliException>(() => PushAsync());

        Assert.Contains("403", error.Message, StringComparison.Ordinal);
        Assert.Empty(_cache.Live);
    }

    [Fact]
    public async Task A_store_that_is_full_is_named_with_its_own_code_and_asked_once()
    {
        _store.Add("a", 100);
        _cache.Misbehave = First(int.MaxValue, request => request.Method == "PUT", async context =>
        {
            context.Response.StatusCode = 403;
            await context.Response.WriteAsync("<Error><Code>QuotaExceeded</Code></Error>");
        });

        var error = await Assert.ThrowsAsync<CliException>(() => PushAsync());

        Assert.Contains("(QuotaExceeded)", error.Message, StringComparison.Ordinal);
        Assert.Single(_cache.Requests, request => request.StartsWith("PUT", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(16 << 20)]
    [InlineData(0)]
    public async Task Each_body_comes_with_its_MD5(int singlePutLimit)
    {
        _cache.SinglePutLimit = singlePutLimit;
        _store.Add("a", 400_000, noise: true);
        var sums = new ConcurrentBag<bool>();
        _cache.Misbehave = async context =>
        {
            if (context.Request.Method != "PUT")
                return false;
            context.Request.EnableBuffering();
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            context.Request.Body.Position = 0;
            sums.Add(context.Request.Headers.ContentMD5 == Convert.ToBase64String(MD5.HashData(body.ToArray())));
            return false;
        };

        await PushAsync();

        AssertAllArrived();
        Assert.NotEmpty(sums);
        Assert.All(sums, Assert.True);
    }

    [Fact]
    public async Task A_host_for_uploads_that_is_not_there_is_named_with_the_options_that_name_it()
    {
        _store.Add("a", 1000);
        _cache.Store = new Uri($"http://127.0.0.1:{OrleansCache.Testing.FreePort.Next()}");

        var error = await Assert.ThrowsAsync<CliException>(() => PushAsync());

        Assert.Equal(ExitCodes.Unreachable, error.ExitCode);
        Assert.Contains($"no connection to http://{_cache.Store.Authority}", error.Message, StringComparison.Ordinal);
        Assert.Contains("--public-url", error.Message, StringComparison.Ordinal);
    }
}
