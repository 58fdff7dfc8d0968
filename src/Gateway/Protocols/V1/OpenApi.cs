using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Microsoft.OpenApi;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Http;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Protocols.V1;

/// <summary>The OpenAPI document of our own protocol, <c>/openapi/v1.json</c>.</summary>
internal static class OpenApi
{
    public static void AddTo(IServiceCollection services)
    {
        services.ConfigureHttpJsonOptions(json =>
        {
            json.SerializerOptions.TypeInfoResolver = JsonTypeInfoResolver.Combine(WireJson.Strict.TypeInfoResolver,
                DocumentedTypes.Default, json.SerializerOptions.TypeInfoResolver);
            foreach (var converter in WireJson.Strict.Converters)
                json.SerializerOptions.Converters.Add(converter);
        });
        services.AddOpenApi("v1", options =>
        {
            options.ShouldInclude = api => api.RelativePath?.StartsWith("v1/", StringComparison.Ordinal) == true;
            options.AddDocumentTransformer((document, _, _) =>
            {
                document.Info = new OpenApiInfo
                {
                    Title = "OrleansCache",
                    Version = "v1",
                    Description =
                        "The write path of a Nix binary cache. Bodies may be sent with Content-Encoding gzip or zstd; every error is an " +
                        "RFC 9457 problem document of type urn:orleans-cache:error:<name>.",
                };
                // Relative to the document, so that it holds below a path that a proxy strips, and under any host name.
                document.Servers = [new OpenApiServer { Url = ".." }];
                document.Components ??= new OpenApiComponents();
                document.Components.SecuritySchemes ??= new Dictionary<string, IOpenApiSecurityScheme>();
                document.Components.SecuritySchemes["token"] = new OpenApiSecurityScheme
                {
                    Type = SecuritySchemeType.Http,
                    Scheme = "bearer"
                };
                document.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("token", document)] = [] }];
                return Task.CompletedTask;
            });
            options.AddSchemaTransformer((schema, context, _) =>
            {
                var type = Nullable.GetUnderlyingType(context.JsonTypeInfo.Type) ?? context.JsonTypeInfo.Type;
                if (type == typeof(StorePathHash))
                    (schema.Type, schema.Pattern) = (JsonSchemaType.String, "^[0-9a-df-np-sv-z]{32}$");
                else if (type == typeof(StorePath))
                    (schema.Type, schema.Pattern) = (JsonSchemaType.String, "^[0-9a-df-np-sv-z]{32}-[0-9a-zA-Z+._?=-]{1,211}$");
                else if (type == typeof(PinName))
                    (schema.Type, schema.Pattern) = (JsonSchemaType.String, "^[A-Za-z0-9._-]{1,255}$");
                else if (type == typeof(PinPattern))
                    (schema.Type, schema.Pattern) = (JsonSchemaType.String, "^[A-Za-z0-9._*?-]{1,255}$");
                else if (type == typeof(ContentAddress))
                    (schema.Type, schema.Description) = (JsonSchemaType.String,
                        "As Nix renders it: text:sha256:<nix32>, or fixed:[r:|git:]<algorithm>:<nix32>");
                else if (type == typeof(RealisationId))
                    (schema.Type, schema.Description) = (JsonSchemaType.String,
                        "sha256:<64 hex digits>!<output>, or <hash-name.drv>^<output>");
                else if (type == typeof(Sha256Hash))
                    (schema.Type, schema.Description) = (JsonSchemaType.String, "sha256:<nix32 or hex>, or sha256-<base64>");
                return Task.CompletedTask;
            });
        });
    }
}

/// <summary>Types that the document names and no message uses.</summary>
[JsonSerializable(typeof(Stream))]
internal sealed partial class DocumentedTypes : JsonSerializerContext;
