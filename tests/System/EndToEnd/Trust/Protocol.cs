namespace OrleansCache.EndToEnd.Tests.Trust;

/// <summary>In which words a client pushes.</summary>
public enum Protocol
{
    /// <summary>Our own.</summary>
    V1,

    /// <summary>niks3's clients'.</summary>
    Niks3,

    /// <summary>Stock Nix's PUTs.</summary>
    NixCopy,
}

/// <summary>
/// A push of one root and its closure between its steps. Each step throws <see cref="RefusedException"/> where an honest client would give
/// up.
/// </summary>
internal interface IPush
{
    /// <summary>What the server calls it; empty where it has no name.</summary>
    string Id { get; }

    /// <summary>Sends all that is missing, and says it is there.</summary>
    Task UploadAsync();

    /// <summary>Publishes.</summary>
    Task CommitAsync();
}

/// <summary>One that uploads to URLs of the store.</summary>
internal interface IUrlPush : IPush
{
    /// <summary>Sends other bytes to the URLs that it was given for a path.</summary>
    Task SendAgainAsync(TrustPath path, byte[] file);
}

internal static class Pushing
{
    public static async Task<IPush> OpenAsync(this Publisher publisher, Protocol protocol, TrustPath root) => protocol switch
    {
        Protocol.V1 => await V1Push.BeginAsync(publisher, root),
        Protocol.Niks3 => await Niks3Push.CreateAsync(publisher, root),
        _ => await NixPush.AskAsync(publisher, root),
    };

    /// <summary>All steps.</summary>
    public static async Task<IPush> PushAsync(this Publisher publisher, Protocol protocol, TrustPath root)
    {
        var push = await publisher.OpenAsync(protocol, root);
        await push.UploadAsync();
        await push.CommitAsync();
        return push;
    }

    /// <summary>Pins a path that is there, by the protocol's own route.</summary>
    public static Task<Answer> PinAsync(this Publisher publisher, Protocol protocol, string name, TrustPath path) => protocol switch
    {
        Protocol.V1 => publisher.SendAsync(HttpMethod.Put, $"/v1/caches/default/pins/{name}",
            Publisher.Json(new System.Text.Json.Nodes.JsonObject { ["path"] = path.Path.BaseName })),
        Protocol.Niks3 =>
            publisher.PostAsync($"/api/pins/{name}", new System.Text.Json.Nodes.JsonObject { ["store_path"] = path.Path.ToString() }),
        _ => publisher.PostAsync($"/c/default/pin/{path.NarInfoKey}"),
    };

    /// <summary>What a hostile client does as far as it is let: that it is refused is as good an end as any. Null: it was not.</summary>
    public static async Task<Answer?> TryAsync(Func<Task> attack)
    {
        try
        {
            await attack();
            return null;
        }
        catch (RefusedException e)
        {
            return e.Answer;
        }
    }
}
