using System.Net;
using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Tests.Protocols.NixCopy;

/// <summary>Pins by hash, as ncps has them.</summary>
public sealed class NcpsTests
{
    [Theory]
    [InlineData("/")]
    [InlineData("/c/default/")]
    public async Task A_pin_by_hash_keeps_the_path_and_all_that_it_needs_until_it_is_deleted(string root)
    {
        await using var server = await WriteServer.StartAsync();
        var dependency = await NixFile.MakeAsync("dependency");
        var parent = await NixFile.MakeAsync("parent", references: dependency);
        foreach (var file in new[] { dependency, parent })
        {
            await server.PutAsync(file.NarUrl, file.Body);
            await server.PutAsync(file.InfoUrl, file.Info.Print());
        }

        Assert.Equal("[]", await ListAsync());
        foreach (var _ in Enumerable.Range(0, 2))
            Assert.Equal(HttpStatusCode.OK, (await SendAsync(HttpMethod.Post, $"pin/{parent.InfoUrl}")).StatusCode);
        Assert.Equal($"[\"{parent.Path.Hash}\"]", await ListAsync());
        await server.ForgetHoldsAsync();
        await server.CollectAsync();
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync(dependency.InfoUrl, null)).StatusCode);

        foreach (var _ in Enumerable.Range(0, 2))
            Assert.Equal(HttpStatusCode.OK, (await SendAsync(HttpMethod.Delete, $"pin/{parent.InfoUrl}")).StatusCode);
        Assert.Equal("[]", await ListAsync());
        await server.CollectAsync();
        Assert.Equal(HttpStatusCode.NotFound, (await server.GetAsync(dependency.InfoUrl, null)).StatusCode);

        Task<HttpResponseMessage> SendAsync(HttpMethod method, string url) =>
            server.SendAsync(method, new Uri(server.Url, root + url).ToString(), password: WriteServer.Pinner);

        async Task<string> ListAsync()
        {
            using var answer = await SendAsync(HttpMethod.Get, "pins");
            Assert.Equal("application/json", answer.Content.Headers.ContentType?.MediaType);
            return await answer.Content.ReadAsStringAsync();
        }
    }

    [Fact]
    public async Task A_path_that_is_not_there_cannot_be_pinned_and_pins_of_ours_are_not_listed()
    {
        await using var server = await WriteServer.StartAsync();
        var file = await NixFile.MakeAsync("hello");

        foreach (var name in (string[])[file.InfoUrl, "nonsense.narinfo"])
        {
            Assert.Equal(HttpStatusCode.NotFound,
                (await server.SendAsync(HttpMethod.Post, $"pin/{name}", password: WriteServer.Pinner)).StatusCode);
            Assert.Equal(HttpStatusCode.OK,
                (await server.SendAsync(HttpMethod.Delete, $"pin/{name}", password: WriteServer.Pinner)).StatusCode);
        }

        await server.PutAsync(file.NarUrl, file.Body);
        await server.PutAsync(file.InfoUrl, file.Info.Print());
        await server.Core.Pins.SetAsync(CacheName.Default, PinName.Parse("prod"), new() { Path = file.Path }, default, OperationId.New(),
            TimeSpan.FromSeconds(10), CancellationToken.None);
        Assert.Equal("[]",
            await (await server.SendAsync(HttpMethod.Get, "pins", password: WriteServer.Pinner)).Content.ReadAsStringAsync());
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync("pins/prod", null)).StatusCode);
    }
}
