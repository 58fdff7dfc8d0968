using System.Collections.Concurrent;
using System.Net;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Core.Upstreams;
using OrleansCache.Nix;

namespace OrleansCache.Testing;

/// <summary>A cache on loopback that others have as their upstream: it serves signed narinfos, and can lose them, lie and be away.</summary>
internal sealed class UpstreamCache : IAsyncDisposable
{
    private readonly HttpListener _listener = new();
    private readonly SecretKey _key = SecretKey.Generate("upstream-1");
    private readonly ConcurrentDictionary<string, string> _infos = new(StringComparer.Ordinal);
    private readonly TaskCompletionSource _released = new();
    private readonly Task _serving;
    private int _requests;

    public UpstreamCache()
    {
        Url = $"http://127.0.0.1:{FreePort.Next()}";
        _listener.Prefixes.Add(Url + "/");
        _listener.Start();
        _serving = ServeAsync();
    }

    public string Url { get; }

    /// <summary>As a setting.</summary>
    public string Setting => $"{Url} {_key.PublicKey}";

    public UpstreamOptions Options => new()
    {
        Upstreams = [Upstream.TryParse(Setting, out var upstream, out _) ? upstream : throw new FormatException(Setting)],
    };

    /// <summary>How often it was asked.</summary>
    public int Requests => _requests;

    /// <summary>It answers 503.</summary>
    public bool IsAway { get; set; }

    /// <summary>It never answers.</summary>
    public bool IsSilent { get; set; }

    /// <summary>It has these paths of a closure, as they are declared.</summary>
    /// <param name="closure">Where their declarations are.</param>
    /// <param name="names">Which; none: all.</param>
    public UpstreamCache Have(BeginPush closure, params string[] names) => Have(closure, _key, names);

    /// <summary>The same, signed by somebody else.</summary>
    public UpstreamCache Have(BeginPush closure, SecretKey key, params string[] names)
    {
        foreach (var path in closure.Paths.Where(p => names.Length == 0 || names.Contains(p.Path.Name, StringComparer.Ordinal)))
        {
            var references = path.References.Select(r => closure.Paths.First(p => p.Path.Hash == r).Path).ToList();
            Say(Of(path, references), key);
        }

        return this;
    }

    public void Say(NarInfo info, SecretKey? key = null) =>
        _infos[$"/{info.StorePath.Hash}.narinfo"] = (info with { Signatures = [(key ?? _key).Sign(info.Fingerprint())] }).Print();

    public void Lose(string name) => _infos.TryRemove($"/{World.Hash(name)}.narinfo", out _);

    public static NarInfo Of(PathDeclaration path, IReadOnlyList<StorePath> references) => new()
    {
        StorePath = path.Path,
        Url = $"nar/{path.NarHash.ToNix32String()["sha256:".Length..]}.nar.xz",
        Compression = "xz",
        NarHash = path.NarHash,
        NarSize = path.NarSize,
        References = references,
    };

    public async ValueTask DisposeAsync()
    {
        _released.TrySetResult();
        _listener.Close();
        await _serving;
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            try
            {
                var http = await _listener.GetContextAsync();
                _ = AnswerAsync(http);
            }
            catch (Exception e) when (e is HttpListenerException or InvalidOperationException)
            {
                return;
            }
        }
    }

    private async Task AnswerAsync(HttpListenerContext http)
    {
        Interlocked.Increment(ref _requests);
        try
        {
            if (IsSilent)
                await _released.Task;
            var info = _infos.GetValueOrDefault(http.Request.Url!.AbsolutePath);
            http.Response.StatusCode = IsAway ? 503 : info is null ? 404 : 200;
            if (!IsAway && info is not null)
                await http.Response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes(info));
            http.Response.Close();
        }
        catch (Exception e) when (e is HttpListenerException or InvalidOperationException or IOException)
        {
            // Who asked is gone.
        }
    }
}
