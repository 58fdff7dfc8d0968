using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace OrleansCache.Cli.Tests.Surroundings;

/// <summary>
/// Whatever may stand at an address that somebody gives: it answers each connection with one text, in TLS if it has a certificate.
/// </summary>
internal sealed class ScriptedServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();
    private readonly Task _serving;
    private readonly string _answer;
    private readonly X509Certificate2? _certificate;

    public ScriptedServer(string answer, X509Certificate2? certificate = null)
    {
        (_answer, _certificate) = (answer, certificate);
        _listener.Start();
        _serving = ServeAsync();
    }

    public string Authority => _listener.LocalEndpoint.ToString()!;

    /// <summary>An answer with a body.</summary>
    public static string Answer(string status, string type, string body, string headers = "") =>
        $"HTTP/1.1 {status}\r\nContent-Type: {type}\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\nConnection: " +
            $"close\r\n{headers}\r\n{body}";

    /// <summary>A certificate of its own authority.</summary>
    public static X509Certificate2 Certificate(string name, DateTimeOffset until, IPAddress? address = null)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        if (address is not null)
            names.AddIpAddress(address);
        request.CertificateExtensions.Add(names.Build());
        using var made = request.CreateSelfSigned(until.AddDays(-30), until);
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Dispose();
        await _serving;
        _end.Dispose();
        _certificate?.Dispose();
    }

    private async Task ServeAsync()
    {
        while (!_end.IsCancellationRequested)
        {
            try
            {
                using var client = await _listener.AcceptTcpClientAsync(_end.Token);
                Stream stream = client.GetStream();
                if (_certificate is not null)
                {
                    var tls = new SslStream(stream);
                    stream = tls;
                    await tls.AuthenticateAsServerAsync(_certificate);
                }

                var first = new byte[16 << 10];
                _ = await stream.ReadAsync(first, _end.Token);
                await stream.WriteAsync(Encoding.UTF8.GetBytes(_answer), _end.Token);
                // What is still under way is taken: closing before would reset the answer.
                client.Client.Shutdown(SocketShutdown.Send);
                while (await stream.ReadAsync(first, _end.Token) > 0)
                {
                }
            }
            catch (Exception e) when (e
                is IOException or SocketException or OperationCanceledException or System.Security.Authentication.AuthenticationException or ObjectDisposedException)
            {
                // The client goes away when it has seen enough.
            }
        }
    }
}
