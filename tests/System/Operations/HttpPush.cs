using System.Net.Http.Json;
using System.Security.Cryptography;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Operations.Tests;

/// <summary>One store path, a file, pushed as the protocol says, with nothing but HTTP.</summary>
internal static class HttpPush
{
    /// <returns>The path's hash.</returns>
    /// <param name="client">Sends the token.</param>
    /// <param name="name">The name of the path.</param>
    /// <param name="pin">A pin on it; null for none.</param>
    /// <param name="traceparent">What each request is a part of; null for nothing.</param>
    public static async Task<StorePathHash> RunAsync(HttpClient client, string name, string? pin = null, string? traceparent = null)
    {
        var nar = Nar(RandomNumberGenerator.GetBytes(2000));
        var file = Zstd.Compress(nar);
        var path = StorePath.Parse($"{StorePathHash.FromBytes(RandomNumberGenerator.GetBytes(20))}-{name}");
        var declaration = new PathDeclaration { Path = path, NarHash = Sha256Hash.Compute(nar), NarSize = nar.Length };
        var opened = await PostAsync(client, "pushes", traceparent, JsonContent.Create(
            new BeginPush
            {
                Roots = [path.Hash],
                Paths = [declaration],
                Pin = pin is null ? null
                : new PushPin { Name = PinName.Parse(pin) }
            }, ProtocolJson.Default.BeginPush), ProtocolJson.Default.PushOpened);

        var grant = Assert.Single(opened.Uploads);
        using (var upload = Request(HttpMethod.Put, new Uri(client.BaseAddress!, grant.Url!.PathAndQuery), traceparent,
            new ByteArrayContent(file)))
        {
            // The signature is the credential.
            upload.Headers.Authorization = null;
            using var stored = await client.SendAsync(upload);
            stored.EnsureSuccessStatusCode();
        }

        var report = await PostAsync(client, $"pushes/{opened.Id}/uploaded", traceparent, JsonContent.Create(
            new UploadReport
            {
                Uploads = [new UploadedNar { Upload = grant.Id, FileHash = Sha256Hash.Compute(file),
                FileSize = file.Length }]
            }, ProtocolJson.Default.UploadReport), ProtocolJson.Default.ReportAnswer);
        Assert.Empty(report.Rejected);
        var committed = await PostAsync(client, $"pushes/{opened.Id}/commit", traceparent, null, ProtocolJson.Default.CommitAnswer);
        Assert.Equal(PushState.Committed, committed.State);
        return path.Hash;
    }

    private static async Task<T> PostAsync<T>(HttpClient client, string route, string? traceparent, HttpContent? body,
        System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
    {
        using var request = Request(HttpMethod.Post, new Uri($"/v1/caches/default/{route}", UriKind.Relative), traceparent, body);
        using var answer = await client.SendAsync(request);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync(type))!;
    }

    private static HttpRequestMessage Request(HttpMethod method, Uri url, string? traceparent, HttpContent? body)
    {
        var request = new HttpRequestMessage(method, url) { Content = body };
        if (traceparent is not null)
            request.Headers.Add("traceparent", traceparent);
        return request;
    }

    private static byte[] Nar(byte[] content)
    {
        using var nar = new MemoryStream();
        foreach (var text in (byte[][])["nix-archive-1"u8.ToArray(), "("u8.ToArray(), "type"u8.ToArray(), "regular"u8.ToArray(),
            "contents"u8.ToArray(), content, ")"u8.ToArray()])
        {
            nar.Write(BitConverter.GetBytes((long)text.Length));
            nar.Write(text);
            nar.Write(new byte[(8 - (text.Length % 8)) % 8]);
        }

        return nar.ToArray();
    }
}
