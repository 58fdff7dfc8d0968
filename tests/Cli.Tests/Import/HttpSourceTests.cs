using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Import;
using Xunit;

namespace OrleansCache.Cli.Tests.Import;

/// <summary>A cache behind a web server that does not always answer to the end.</summary>
public sealed class HttpSourceTests : ImportFixture
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_NAR_whose_connection_breaks_goes_on_where_it_was(bool ranges)
    {
        _source.Add("large", size: 3_000_000, compression: "none");
        var breaks = 0;
        await using var web = await WebAsync(async (context, bytes) =>
        {
            var from = ranges && context.Request.Headers.Range.ToString() is { Length: > 0 } range
                ? int.Parse(range["bytes=".Length..^1], CultureInfo.InvariantCulture) : 0;
            if (from > 0)
                context.Response.StatusCode = 206;
            context.Response.ContentLength = bytes.Length - from;
            if (bytes.Length > 1_000_000 && breaks++ < 3)
            {
                await context.Response.Body.WriteAsync(bytes.AsMemory(from, 400_000));
                context.Abort();
                return;
            }

            await context.Response.Body.WriteAsync(bytes.AsMemory(from));
        });

        var result = await ImportAsync(Named("large"), source: Open(web));

        AssertLive("large");
        Assert.Equal((4, 0), (breaks, result.Refused.Count));
    }

    [Fact]
    public async Task Redirects_are_followed_and_nobody_else_gets_the_password()
    {
        _source.Add("a");
        var secrets = new List<string>();
        await using var other = await WebAsync(async (context, bytes) =>
        {
            lock (secrets)
                secrets.Add(context.Request.Headers.Authorization.ToString());
            await context.Response.Body.WriteAsync(bytes);
        });
        await using var web = await WebAsync(async (context, bytes) =>
        {
            if (context.Request.Headers.Authorization != "Basic c2VjcmV0")
                context.Response.StatusCode = 401;
            else if (context.Request.Path.Value!.Contains("/nar/", StringComparison.Ordinal))
                context.Response.Redirect(other.Urls.First() + context.Request.Path);
            else
                await context.Response.Body.WriteAsync(bytes);
        });

        await ImportAsync(Named("a"), source: Open(web, new("Basic", "c2VjcmV0")));

        AssertLive("a");
        Assert.Equal([""], secrets);
        var error = await Assert.ThrowsAsync<CliException>(() => ImportAsync(Named("a"), source: Open(web)));
        Assert.Contains("--source-token-file", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_no_cache_is_told_at_once()
    {
        _source.Objects.Clear();
        await using var web = await WebAsync((_, _) => Task.CompletedTask);

        var error = await Assert.ThrowsAsync<CliException>(() => ImportAsync(Named("a"), source: Open(web)));

        Assert.Contains("no binary cache", error.Message, StringComparison.Ordinal);
    }

    private static ImportOptions Named(params string[] names) => new() { Roots = [.. names.Select(name => FakeSource.PathOf(name).Hash)] };

    private static HttpSource Open(WebApplication web, System.Net.Http.Headers.AuthenticationHeaderValue? authorization = null) =>
        new(new Uri(web.Urls.First() + "/sub/"), Connections.Open(8, decodes: false),
            new RetryPolicy { Delay = (_, _) => Task.CompletedTask }, authorization);

    /// <summary>Serves what the source has below <c>/sub</c>.</summary>
    private async Task<WebApplication> WebAsync(Func<HttpContext, byte[], Task> answer)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var web = builder.Build();
        web.Run(context =>
        {
            if (_source.Objects.TryGetValue(context.Request.Path.Value!["/sub/".Length..], out var bytes))
                return answer(context, bytes);
            context.Response.StatusCode = 404;
            return Task.CompletedTask;
        });
        await web.StartAsync();
        return web;
    }
}
